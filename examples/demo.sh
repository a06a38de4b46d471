#!/usr/bin/env bash
# Has the chat server carry a conversation of three clients, of which one alone is ours; then
# compares the reactors. `./run demo` builds what it needs and starts it.
set -euo pipefail

programs=$(realpath "${1:-build/release/examples}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# How long anything may take that should take no time at all, in seconds.
limit=10
scratch=$(mktemp -d)
declare -A to from pid

clean_up() {
  ((${#pid[@]} == 0)) || kill "${pid[@]}" 2>/dev/null || true
  wait
  rm -rf "$scratch"
}
trap clean_up EXIT

bold= plain=
if [[ -t 1 ]]; then
  bold=$'\e[1m' plain=$'\e[0m'
fi
title() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() {
  echo "the demo failed: $*" >&2
  exit 1
}

# start NAME COMMAND...: runs it in the background, with pipes ${to[NAME]} and ${from[NAME]}.
start() {
  local name=$1 in out
  shift
  mkfifo "$scratch/$name.in" "$scratch/$name.out"
  "$@" <"$scratch/$name.in" >"$scratch/$name.out" &
  pid[$name]=$!
  exec {in}>"$scratch/$name.in" {out}<"$scratch/$name.out"
  to[$name]=$in
  from[$name]=$out
}

# hear NAME TEXT: prints what comes to NAME, up to the line that contains TEXT.
hear() {
  local line
  while IFS= read -r -t "$limit" -u "${from[$1]}" line; do
    printf '  %-6s hears  %s\n' "$1" "$line"
    [[ $line != *"$2"* ]] || return 0
  done
  fail "$1 never heard '$2'"
}

# speak NAME TEXT
speak() {
  printf '%s%-8s says   %s%s\n' "$bold" "$1" "$2" "$plain"
  printf '%s\n' "$2" >&"${to[$1]}"
}

# ended NAME: waits for the end of its program, which must be a good one.
ended() {
  local in=${to[$1]} ending=${pid[$1]}
  exec {in}>&-
  wait "$ending" || fail "$1 ended with $?"
  unset "pid[$1]"
}

title "A chat server, in examples/chat_server.cpp"
start server "$programs/chat_server" --port 0
IFS= read -r -t "$limit" -u "${from[server]}" listening || fail "the server did not start"
port=${listening##*:}
echo "  $listening"

title "bob comes in by nc, which is not ours"
start bob nc 127.0.0.1 "$port"
hear bob "you are"
speak bob "/name bob"
hear bob "is now bob"

title "cleo is bash itself, by /dev/tcp"
exec {cleo}<>"/dev/tcp/127.0.0.1/$port"
to[cleo]=$cleo from[cleo]=$cleo
hear cleo "you are"
speak cleo "/name cleo"
hear cleo "is now cleo"
hear bob "is now cleo"

title "ann is examples/chat_client.cpp: she says hello, and leaves when somebody says bye"
start ann "$programs/chat_client" --port "$port" --name ann --say "hello, all" --until bye
for who in ann bob cleo; do hear "$who" "ann: hello, all"; done
speak bob "hello ann, a netcat speaks"
for who in ann bob cleo; do hear "$who" "bob: hello ann"; done
speak cleo "and a shell"
for who in ann bob cleo; do hear "$who" "cleo: and a shell"; done
speak bob "bye"
hear ann "bob: bye"
ended ann
for who in bob cleo; do hear "$who" "* ann left"; done

title "SIGTERM: the server ends its connections, and then itself"
kill -TERM "${pid[server]}"
ended server
ended bob
exec {cleo}>&-
echo "  it ended with exit status 0"

title "CPU time for an echoed message on 64 connections; a hand-written epoll loop takes 1.00"
timeout 120 python3 bench/run.py --short --folder "$programs/../bench"
