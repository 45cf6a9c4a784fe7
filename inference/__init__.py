"""From frames to templates, comparison scores and operating points, by quantised TFLite models."""
