"""`email`: sends a mail by SMTP. The path: payload → message → delivery → how the run ends."""
