#!/usr/bin/env python3
"""Runs a program without the kernel's keyring, as in a container whose seccomp profile forbids it.

usage: no_kernel_keyring.py PROGRAM [ARGUMENT ...]

add_key, request_key and keyctl fail with EPERM in the program and all that it starts.
"""
import ctypes
import os
import platform
import struct
import sys

PR_SET_SECCOMP, SECCOMP_MODE_FILTER, PR_SET_NO_NEW_PRIVS = 22, 2, 38
LOAD_WORD, JUMP_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL_WITH_EPERM = 0x7FFF0000, 0x00050001
CALLS = {"x86_64": [248, 249, 250], "aarch64": [217, 218, 219]}[platform.machine()]

instructions = [struct.pack("HBBI", LOAD_WORD, 0, 0, 0)]
for position, call in enumerate(CALLS):
    instructions.append(struct.pack("HBBI", JUMP_EQUAL, len(CALLS) - position, 0, call))
instructions += [struct.pack("HBBI", RETURN, 0, 0, ALLOW), struct.pack("HBBI", RETURN, 0, 0, FAIL_WITH_EPERM)]
code = ctypes.create_string_buffer(b"".join(instructions))
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(code)))

libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
    PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0
):
    sys.exit(f"cannot forbid the keyring: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
