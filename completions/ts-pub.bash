# Made from the option tables by src/build/render.mjs. Do not edit.

_ts_pub() {
  local IFS=$'\n' cur="${COMP_WORDS[COMP_CWORD]}" prev=""
  if ((COMP_CWORD > 0)); then prev="${COMP_WORDS[COMP_CWORD - 1]}"; fi
  case "$prev" in
    -t | --topic) COMPREPLY=(); return ;;
    -e) COMPREPLY=(); return ;;
    -m | --message) COMPREPLY=(); return ;;
    -f | --file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    -q | --qos) COMPREPLY=($(compgen -W $'0\n1\n2' -- "$cur")); return ;;
    --repeat) COMPREPLY=(); return ;;
    --repeat-delay) COMPREPLY=(); return ;;
    --speed) COMPREPLY=(); return ;;
    --spool) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    -L | --url) COMPREPLY=(); return ;;
    -h | --host) COMPREPLY=($(compgen -A hostname -- "$cur")); return ;;
    -p | --port) COMPREPLY=(); return ;;
    -u | --username) COMPREPLY=(); return ;;
    -P | --pw) COMPREPLY=(); return ;;
    --pw-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    -V | --protocol-version) COMPREPLY=($(compgen -W $'mqttv31\nmqttv311\nmqttv5' -- "$cur")); return ;;
    -k | --keepalive) COMPREPLY=(); return ;;
    -A) COMPREPLY=(); return ;;
    --unix) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --proxy) COMPREPLY=(); return ;;
    -D | --property) COMPREPLY=($(compgen -W $'connect\npublish\nsubscribe\nunsubscribe\ndisconnect\nwill' -- "$cur")); return ;;
    -i | --id) COMPREPLY=(); return ;;
    -I | --id-prefix) COMPREPLY=(); return ;;
    -x) COMPREPLY=(); return ;;
    -M) COMPREPLY=(); return ;;
    --will-topic) COMPREPLY=(); return ;;
    --will-payload) COMPREPLY=(); return ;;
    --will-qos) COMPREPLY=($(compgen -W $'0\n1\n2' -- "$cur")); return ;;
    --cafile) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --capath) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --cert) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --key) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --keyform) COMPREPLY=($(compgen -W $'pem' -- "$cur")); return ;;
    --ciphers) COMPREPLY=(); return ;;
    --tls-version) COMPREPLY=($(compgen -W $'tlsv1.2\ntlsv1.3' -- "$cur")); return ;;
    --tls-alpn) COMPREPLY=(); return ;;
    --tls-keylog) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --psk) COMPREPLY=(); return ;;
    --psk-identity) COMPREPLY=(); return ;;
    --tls-engine) COMPREPLY=(); return ;;
    --tls-engine-kpass-sha1) COMPREPLY=(); return ;;
    -o) COMPREPLY=($(compgen -f -- "$cur")); return ;;
  esac
  COMPREPLY=($(compgen -W $'-t\n--topic\n-e\n-m\n--message\n-f\n--file\n-l\n--stdin-line\n-s\n--stdin-file\n-n\n--null-message\n-q\n--qos\n-r\n--retain\n--repeat\n--repeat-delay\n--ndjson\n--replay\n--speed\n--spool\n-L\n--url\n-h\n--host\n-p\n--port\n-u\n--username\n-P\n--pw\n--pw-file\n-V\n--protocol-version\n-k\n--keepalive\n--nodelay\n-A\n--unix\n--ws\n-S\n--proxy\n-D\n--property\n-i\n--id\n-I\n--id-prefix\n-c\n--disable-clean-session\n-x\n-M\n--will-topic\n--will-payload\n--will-qos\n--will-retain\n--cafile\n--capath\n--tls-use-os-certs\n--cert\n--key\n--keyform\n--ciphers\n--tls-version\n--tls-alpn\n--insecure\n--tls-keylog\n--psk\n--psk-identity\n--tls-engine\n--tls-engine-kpass-sha1\n--no-tls\n-o\n--compat-exit\n-d\n--debug\n--quiet\n--help\n--version\n--summary' -- "$cur"))
}
complete -o filenames -F _ts_pub ts-pub
