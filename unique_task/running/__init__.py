"""What happens to a guarded call in a worker: into its body and out again."""
