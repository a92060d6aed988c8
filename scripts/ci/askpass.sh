#!/bin/sh
# askpass.sh PROMPT: what git asks when it pushes, answered from the environment, so that no address or command line has a token.
case $1 in
Username*) echo x-access-token ;;
*) echo "$PUSH_TOKEN" ;;
esac
