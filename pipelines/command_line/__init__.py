"""The commands of `unsam`, a module a theme; each imports what it needs when it runs."""
