"""What the lab needs on the machine, cached by the content it is made from."""
