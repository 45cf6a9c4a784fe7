"""What a fleet is: values and rules without a wire, a database or a clock."""
