"""What an agent may use at this moment, made from its grants, its servers and their tools; kept in memory until one of them changes."""
