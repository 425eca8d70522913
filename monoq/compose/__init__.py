"""The composition root: builds the parts of a role and hands each what it uses."""
