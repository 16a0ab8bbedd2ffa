"""The built-in plugins, found through the entry point that anybody else's use too."""
