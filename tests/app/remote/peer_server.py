"""The server inside PyPI's `xllamacpp`: peer_server.py MODEL.gguf [KEY]. Prints its address and runs until its input ends."""
import os
import sys

import xllamacpp

out = os.dup(1)
os.dup2(2, 1)  # the engine's log
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.n_gpu_layers = 1024, 1, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
params.warmup = False
if len(sys.argv) > 2:
    params.api_keys = [sys.argv[2]]
server = xllamacpp.Server(params)
os.write(out, (server.listening_address + "\n").encode())
sys.stdin.read()
os._exit(0)
