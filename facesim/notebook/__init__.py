"""facesim in a notebook: the commands as functions, and runs as objects that show themselves."""
