"""The program: command line, configuration, adapters, and the composition of everything below."""
