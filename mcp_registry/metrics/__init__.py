"""What servers use: the series that charts and programs are told, and the live end of them."""
