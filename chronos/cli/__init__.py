"""The command line: one module a group of commands. Heavy things are imported inside the commands, so that help is quick."""
