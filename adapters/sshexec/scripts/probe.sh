# probe.sh: looks whether commands can outlive their connection here. Starts nothing of the user's.
echo "$0" >&2
exec </dev/null
r=$HOME/.remora
say() { echo "$0 mode $1"; echo "$2"; exit 0; }
command -v setsid >/dev/null || say attached "the server has no setsid; commands end with their connection"
mkdir -m 700 "$r" 2>/dev/null
mkdir "$r/run" "$r/gone" 2>/dev/null
mkdir -m 700 "$r/run/probe-$$" 2>/dev/null || say attached "the home directory $HOME is not writable; commands end with their connection"
{ echo x >"$r/run/probe-$$/x"; } 2>/dev/null
x=
[ -s "$r/run/probe-$$/x" ] && x=1
rm -rf "$r/run/probe-$$"
[ "$x" ] || say attached "nothing can be written below $HOME (disk full?); commands end with their connection"
if [ "$XDG_SESSION_ID" ] && [ -d /run/systemd/system ] && grep -qsE "^KillUserProcesses=(yes|true|1|on)" /etc/systemd/logind.conf /etc/systemd/logind.conf.d/*.conf; then
[ -e "/var/lib/systemd/linger/$(id -un)" ] || say attached "systemd-logind ends the processes of users who log out (KillUserProcesses=yes); loginctl enable-linger lets commands outlive their connection"
fi
say durable "commands run in $r/run and outlive their connection"
