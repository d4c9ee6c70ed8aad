"""The commands of the command line, by what they are for; `firstline.cli` lists them."""
