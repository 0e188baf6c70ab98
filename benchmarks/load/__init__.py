"""What the measurements of logins share: the sites, their data, the clients, and the figures."""
