"""What happens to a guarded call in a worker, up to its body and out again."""
