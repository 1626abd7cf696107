"""The pages of agents: the list, what each may use, the servers that it is connected to, and what of their tools is held back."""
