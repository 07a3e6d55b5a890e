#!/bin/sh
# shellcheck shell=sh
# shellcheck disable=SC3013 # -ef: dash, busybox ash and bash all have it, and it saves a process each time
# shellcheck disable=SC2015 # "a && b || fail" is meant as it reads: fail does not return
# shellcheck disable=SC2094 # a file is read to its end, and replaced by a rename
#
# The agent: everything deployer does on a host. Its protocol is docs/agent.md.
#
# Written for few processes (120 hosts may share two cores) and for any of dash, busybox ash and bash. Nothing that an
# operator wrote is ever evaluated: it arrives on standard input and stays in variables. It arrives whole, or its hash
# says that it did not; the shell reads the part behind `main "$@"` only for the verbs that stand there.

agent_id=@AGENT_ID@
protocol=1

base=/var/lib/deployer
lock_wait_s=20    # for the instance lock
owner_silent_s=600 # an owner unheard for so long has lost the host
payload_limit=4294967296 # bytes
test_limit_s=60   # for the validator
reload_limit_s=20 # for nginx to show what it holds after a reload: bind() alone is retried for 2.5 s
start_limit_s=30  # for systemctl or nginx to return

nl='
'
blanks=" 	$nl"
sign='' # U+0001: parts names where a shell has to hold them, for they may hold line breaks
# 64 characters that stand where a digest stands, so that one sort can order all three sections of a manifest.
fill=0000000000000000000000000000000000000000000000000000000000000000
strip='s/\nerror_log [^\n]* # deployer identity, no newline before\n$//;ts;s/\(^\|\n\)error_log [^\n]* # deployer identity\n$/\1/;:s'

