"""One task: claim photos, render them, store the results and report them."""
