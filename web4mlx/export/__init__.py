"""From a merged model to a verified GGUF: llama.cpp toolchain, conversion, quantization, retention."""
