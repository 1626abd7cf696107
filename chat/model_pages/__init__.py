"""Models as their users see them: pages of one's account, an agent's section “Model”, and REST's addresses."""
