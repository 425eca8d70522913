#!/bin/sh
# start.sh [FOLDER [DIRECTIVES]]: starts nginx on this configuration, in a folder of its own. PORT and MONOQ_ALLOWED_HOSTS say where and for which names it answers.
set -eu
here=$(dirname "$0")
folder=${1:-/tmp/nginx}
mkdir -p "$folder"
cp "$here"/*.conf "$folder"
echo "listen ${PORT:-8080} default_server so_keepalive=20s:10s:3 backlog=2048;" >"$folder/listen.conf"
names=$(echo "${MONOQ_ALLOWED_HOSTS:-}" | tr ',' ' ')
case " $names " in *' * '*) names='~.' ;; esac
echo "listen ${PORT:-8080}; server_name localhost 127.0.0.1 [::1] $names;" >"$folder/names.conf"
exec nginx -e stderr -p "$folder" -c "$folder/nginx.conf" -g "daemon off; ${2:-}"
