"""What the appliance says on the console of its own screen, where no browser shows its page."""
