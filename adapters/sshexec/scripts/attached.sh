# attached.sh BYTES: runs a command bound to the channel, for servers that cannot keep it. stdin as for launch.sh. The
# code says itself, once it may run, "run".
echo "$0" >&2
remora_code=$(head -c "$1"; echo .)
read -r remora_mark
[ "$remora_mark" = end ] || { echo "$0 torn"; exit 0; }
exec </dev/null
[ "$PWD" = "$HOME" ] || cd 2>/dev/null
remora_code=${remora_code%.}
unset remora_mark
set --
eval "$remora_code"
