"""The pages of the chat: conversations, and what happens in them as it happens."""
