"""API tokens as their users see them: the page of one's account, and REST. What a token may do can be bounded to some agents."""
