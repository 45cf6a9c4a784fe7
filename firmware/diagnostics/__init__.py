"""What an appliance tells its desk about itself when it is asked: a bundle, or its log as it is written."""
