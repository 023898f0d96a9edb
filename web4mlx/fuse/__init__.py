"""Adding an adapter to its base model, tensor by tensor, and proving that nothing was lost."""
