"""Holds sockets, runs a program with them, and restarts it when it ends, as a service manager does.

usage: socket_holder.py PORT SOCKET PROGRAM...

With several programs, each restart runs the next program, and later restarts run the last one. Prints each process id.
"""
import os
import socket
import sys
import time

port, path, programs = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
os.umask(0o177)
tcp = socket.socket()
tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
tcp.bind(("127.0.0.1", port))
tcp.listen(4096)
control = socket.socket(socket.AF_UNIX)
control.bind(path)
control.listen(4096)
for run in range(1_000):
    program = programs[min(run, len(programs) - 1)]
    child = os.fork()
    if child == 0:
        # Duplicates both first, because one socket may have the number that the other socket needs.
        duplicates = [os.dup(tcp.fileno()), os.dup(control.fileno())]
        for number, duplicate in enumerate(duplicates, 3):
            os.dup2(duplicate, number)
            os.set_inheritable(number, True)
        os.environ.update(LISTEN_FDS="2", LISTEN_PID=str(os.getpid()))
        os.umask(0o022)
        os.execv(program, [program])
    print(child, flush=True)
    os.waitpid(child, 0)
    time.sleep(0.05)
