"""The assistant: what a prompt needs beside the model's own knowledge, and the prompt that brings it in."""
