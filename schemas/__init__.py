"""What happened: every event of the log, its wire form, and the rules by which it may change."""
