"""A distribution for an interface that is yet to come; importing it would be a mistake."""

raise RuntimeError("this was imported")
