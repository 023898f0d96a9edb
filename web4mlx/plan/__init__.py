"""What a training run will need: memory, time and disk, predicted before anything is loaded."""
