"""Base of the suite: results, samples, processes of contenders, statistics, comparison, running."""
