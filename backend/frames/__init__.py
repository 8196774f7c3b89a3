"""The entries that frames show: their selection, content and playback positions."""
