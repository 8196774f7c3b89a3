"""The pages for people: rendered here, in their photos' colours, and brought to life by a little JavaScript."""
