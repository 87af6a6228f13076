# shellcheck shell=bash
# Sourced by the scripts beside it: finding a port for, waiting for, and ending the processes that they start.

# wait_until SECONDS COMMAND...: tries COMMAND until it succeeds; fails when SECONDS are over.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || return 1
        sleep 0.05
    done
}

# free_port: prints a port of 127.0.0.1 that nobody listens on. The range lies below the one that Linux takes
# for outgoing connections, so none of those sits on it either.
free_port() {
    local port
    for _ in {1..100}; do
        port=$((20000 + RANDOM % 10000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    return 1
}

# runs PIDFILE WORDS: whether the process in PIDFILE lives and has WORDS in its command line. A stale file may
# name somebody else's process by now; a process that ended and was not reaped yet has no command line.
runs() {
    [[ -s $1 ]] && grep -qaF -- "$2" "/proc/$(<"$1")/cmdline" 2>/dev/null
}

is_gone() {
    ! runs "$@"
}

# stop_process PIDFILE WORDS: asks the process to end and waits until it has. Nothing running is fine.
stop_process() {
    if runs "$@"; then
        kill "$(<"$1")"
        wait_until 20 is_gone "$@" || {
            echo "process $(<"$1") ($2) does not end" >&2
            return 1
        }
    fi
    rm -f "$1"
}
