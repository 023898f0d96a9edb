"""From a merged model to a GGUF that is proven: conversion, quantization, verification, retention.

All of llama.cpp runs in processes of its own, so that an abort in C++ is an error message here.
"""
