"""One thread owns one device; the event loop awaits it. A device that goes away is opened anew."""
