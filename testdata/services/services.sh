#!/usr/bin/env bash
# Real services for the tests: Apache Kafka (KRaft, one node), redis-server,
# PostgreSQL and OpenSSH's SFTP server on free loopback ports, kept under .services/
# in the repository.
#
#   services.sh start [kafka redis postgres sshd]
#                        obtain and start what is not running (default: all), wait
#                        until it answers
#   services.sh stop     stop what this script started, by process id
#   services.sh status   say what runs
#   services.sh env      print the variables that tests read; `eval "$(services.sh env)"`
#   services.sh clean    stop and remove everything but the downloaded jars
#
# Exit codes: 0 ok, 1 a service did not come up, 2 usage, 3 a service cannot be
# obtained on this machine (the message names which and why; the others run).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
dir=${ONCEGATE_SERVICES_DIR:-$root/.services}
missing=0

say() { printf 'services: %s\n' "$*" >&2; }
cannot() { say "cannot obtain $*"; missing=1; }

# alive FILE PATTERN: the process in the pid file lives and is still ours (a pid
# may have been given to another process after a reboot).
alive() {
  local pid
  [[ -s $1 ]] && pid=$(<"$1") && [[ $pid =~ ^[0-9]+$ ]] && kill -0 "$pid" 2>/dev/null &&
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q -- "$2"
}

# free_ports N: ports that nobody listens on, all different. Taken below the
# range from which the kernel gives ports to outgoing connections.
free_ports() {
  local used port n=$1 found=()
  used=$(awk 'NR>1 && $4=="0A" {split($2,a,":"); print a[2]}' /proc/net/tcp /proc/net/tcp6 2>/dev/null)
  while ((${#found[@]} < n)); do
    port=$((20000 + (RANDOM << 15 | RANDOM) % 12000))
    if grep -qix "$(printf '%04X' "$port")" <<<"$used" || [[ " ${found[*]-} " == *" $port "* ]]; then continue; fi
    found+=("$port")
  done
  echo "${found[@]}"
}

answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# wait_for PORT SECONDS PID: fails as soon as the process has died.
wait_for() {
  local end=$((SECONDS + $2))
  until answers "$1"; do
    kill -0 "$3" 2>/dev/null && ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

stop_one() { # NAME PIDFILE PATTERN [SIGNAL]
  if alive "$2" "$3"; then
    local pid end
    pid=$(<"$2")
    kill -s "${4:-TERM}" "$pid" 2>/dev/null || true
    end=$((SECONDS + 20))
    while kill -0 "$pid" 2>/dev/null && ((SECONDS < end)); do sleep 0.1; done
    if kill -0 "$pid" 2>/dev/null; then kill -9 "$pid" 2>/dev/null || true; fi
    say "$1 stopped"
  fi
  rm -f "$2"
}

# install_package NAME PACKAGE: from Debian, without the server that the package
# would start of its own where it can.
install_package() {
  if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
    cannot "$1: $2 is not installed, and installing it wants root and apt-get"
    return 1
  fi
  say "installing $2"
  mkdir -p "$dir"
  if ! { DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq update &&
    DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -y --no-install-recommends install "$2"; } >"$dir/apt-$2.log" 2>&1; then
    cannot "$1: apt-get could not install $2, see $dir/apt-$2.log"
    return 1
  fi
}

java_of() { # prints a java of 17 or newer
  local java version
  for java in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)"; do
    [[ -n $java && -x $java ]] || continue
    version=$("$java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n1)
    if ((${version:-0} >= 17)); then echo "$java"; return 0; fi
  done
  return 1
}

kafka_pattern="$dir/kafka/server.properties"

start_kafka() {
  local k=$dir/kafka java broker controller id
  if alive "$k/pid" "$kafka_pattern" && answers "$(<"$k/port")"; then return 0; fi
  java=$(java_of) || { cannot "Kafka: Java 17 or newer is not installed"; return 0; }
  mkdir -p "$k"
  # The jars follow the pom: another pinned version fetches them anew.
  if ! cmp -s "$here/kafka/pom.xml" "$k/lib/pom.xml"; then
    command -v mvn >/dev/null || { cannot "Kafka: mvn is not installed"; return 0; }
    say "fetching Apache Kafka with Maven"
    rm -rf "$k/lib" "$k/lib.new"
    if ! mvn -q -B -ntp -f "$here/kafka/pom.xml" dependency:copy-dependencies \
      -DincludeScope=runtime -DoutputDirectory="$k/lib.new" >"$k/mvn.log" 2>&1; then
      cannot "Kafka: Maven could not fetch it, see $k/mvn.log"
      return 0
    fi
    cp "$here/kafka/pom.xml" "$k/lib.new/pom.xml"
    mv "$k/lib.new" "$k/lib"
  fi
  stop_one "a Kafka that did not answer" "$k/pid" "$kafka_pattern"
  read -r broker controller < <(free_ports 2)
  rm -rf "$k/data"
  # One broker; short waits, so that tests of groups and rebalances are quick.
  # min.insync and replication are 1 because there is one node; fsync is left to
  # the page cache as in Kafka's own default.
  cat >"$k/server.properties" <<EOF
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
listeners=PLAINTEXT://127.0.0.1:$broker,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$broker
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=$k/data
auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
log.retention.check.interval.ms=1000
log.cleaner.dedupe.buffer.size=8388608
log.cleaner.backoff.ms=500
num.network.threads=2
num.io.threads=4
EOF
  id=$("$java" -Xmx128m -cp "$k/lib/*" kafka.tools.StorageTool random-uuid 2>/dev/null)
  "$java" -Xmx128m -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" -cp "$k/lib/*" \
    kafka.tools.StorageTool format -t "$id" -c "$k/server.properties" >"$k/format.log" 2>&1 ||
    { say "Kafka's storage cannot be formatted, see $k/format.log"; return 1; }
  LOG_DIR=$k nohup setsid "$java" -Xms128m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=4 \
    -Dlog4j2.configurationFile="$here/kafka/log4j2.properties" -Djava.awt.headless=true \
    -cp "$k/lib/*" kafka.Kafka "$k/server.properties" >"$k/log" 2>&1 </dev/null &
  echo $! >"$k/pid"
  echo "$broker" >"$k/port"
  if ! wait_for "$broker" 60 "$!" || ! kafka_ready "$broker" 30; then
    say "Kafka did not come up, see $k/log"
    stop_one Kafka "$k/pid" "$kafka_pattern"
    return 1
  fi
  say "Kafka $(ls "$k/lib" | sed -n 's/^kafka-server-\([0-9.]*\)\.jar$/\1/p') answers on 127.0.0.1:$broker"
}

# kafka_ready PORT SECONDS: the broker answers an ApiVersions request. The port
# alone opens before requests are served.
kafka_ready() {
  local end=$((SECONDS + $2)) got
  until got=$(
    exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
    printf '\0\0\0\014\0\022\0\0\0\0\0\001\0\002og' >&3
    timeout 2 head -c 8 <&3 | od -An -tx1 | tr -d ' \n'
  ) 2>/dev/null && [[ $got == ????????00000001 ]]; do
    ((SECONDS < end)) || return 1
    sleep 0.2
  done
}

redis_pattern="redis-server.*127[.]0[.]0[.]1"

start_redis() {
  local r=$dir/redis port
  if alive "$r/pid" "$redis_pattern" && answers "$(<"$r/port")"; then return 0; fi
  if ! command -v redis-server >/dev/null; then install_package Redis redis-server || return 0; fi
  mkdir -p "$r/data"
  stop_one "a Redis that did not answer" "$r/pid" "$redis_pattern"
  read -r port < <(free_ports 1)
  nohup setsid redis-server --bind 127.0.0.1 --port "$port" --dir "$r/data" --save '' --appendonly no \
    --maxmemory 256mb --maxmemory-policy noeviction --daemonize no >"$r/log" 2>&1 </dev/null &
  echo $! >"$r/pid"
  echo "$port" >"$r/port"
  wait_for "$port" 20 "$!" || {
    say "Redis did not come up, see $r/log"
    stop_one Redis "$r/pid" "$redis_pattern"
    return 1
  }
  say "Redis $(redis-server --version | sed -n 's/.*v=\([0-9.]*\).*/\1/p') answers on 127.0.0.1:$port"
}

# PostgreSQL refuses to run as root: then it runs as the user of its package.
as_postgres=()
if [[ $(id -u) == 0 ]]; then as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups --); fi

postgres_bin() {
  local newest
  newest=$(printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n1)
  if [[ -x $newest ]]; then dirname "$newest"; return 0; fi
  newest=$(command -v postgres) && dirname "$(readlink -f "$newest")"
}

postgres_pattern="oncegate.services=$dir"

start_postgres() {
  local p=$dir/postgres bin data port
  if alive "$p/pid" "$postgres_pattern" && answers "$(<"$p/port")"; then return 0; fi
  if ! postgres_bin >/dev/null; then install_package PostgreSQL postgresql || return 0; fi
  bin=$(postgres_bin) || { cannot "PostgreSQL: its package holds no server"; return 0; }
  mkdir -p "$p"
  stop_one "a PostgreSQL that did not answer" "$p/pid" "$postgres_pattern" INT
  # Its data lie where that user gets: not below a home that is closed to it.
  data=$p/data
  if [[ $(id -u) == 0 ]] && ! "${as_postgres[@]}" test -x "$p"; then data=/var/tmp/oncegate-postgres-$(cksum <<<"$dir" | cut -d' ' -f1); fi
  rm -rf "$data"
  mkdir -m 700 "$data"
  echo "$data" >"$p/place"
  (umask 077 && head -c 18 /dev/urandom | base64 | tr '+/' '-_' >"$p/password")
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=oncegate test" \
    -addext "subjectAltName=IP:127.0.0.1,DNS:localhost" -keyout "$p/server.key" -out "$p/server.crt" 2>"$p/openssl.log" ||
    { say "no certificate for PostgreSQL, see $p/openssl.log"; return 1; }
  install -m 600 "$p/password" "$data.pw"
  if [[ $(id -u) == 0 ]]; then chown postgres: "$data" "$data.pw"; fi
  (cd / && "${as_postgres[@]}" "$bin/initdb" -D "$data" -U postgres -A scram-sha-256 --pwfile="$data.pw" -E UTF8 --locale=C.UTF-8) \
    >"$p/initdb.log" 2>&1 || { say "PostgreSQL's storage cannot be made, see $p/initdb.log"; return 1; }
  rm -f "$data.pw"
  install -m 644 "$p/server.crt" "$data/server.crt"
  install -m 600 "$p/server.key" "$data/server.key"
  if [[ $(id -u) == 0 ]]; then chown postgres: "$data/server.crt" "$data/server.key"; fi
  read -r port < <(free_ports 1)
  # fsync off: nothing here outlives the tests.
  cd /
  nohup setsid "${as_postgres[@]}" "$bin/postgres" -D "$data" -c listen_addresses=127.0.0.1 -c port="$port" -c oncegate.services="$dir" \
    -c unix_socket_directories= -c ssl=on -c fsync=off -c max_connections=40 -c shared_buffers=16MB -c autovacuum=off \
    -c logging_collector=off >"$p/log" 2>&1 </dev/null &
  echo $! >"$p/pid"
  cd "$OLDPWD"
  echo "$port" >"$p/port"
  wait_for "$port" 30 "$!" || {
    say "PostgreSQL did not come up, see $p/log"
    stop_one PostgreSQL "$p/pid" "$postgres_pattern" INT
    return 1
  }
  say "PostgreSQL $("$bin/postgres" --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/') answers on 127.0.0.1:$port"
}

sshd_pattern="$dir/sshd/sshd_config"

# start_sshd: SFTP alone, for who runs this script, with a key made for the tests.
start_sshd() {
  local s=$dir/sshd port sshd
  if alive "$s/pid" "$sshd_pattern" && answers "$(<"$s/port")"; then return 0; fi
  if [[ ! -x /usr/sbin/sshd ]]; then install_package SFTP openssh-server || return 0; fi
  sshd=/usr/sbin/sshd
  stop_one "an SSH server that did not answer" "$s/pid" "$sshd_pattern"
  rm -rf "$s"
  mkdir -p "$s/files"
  if [[ $(id -u) == 0 ]]; then mkdir -p /run/sshd; fi # where it separates privileges
  ssh-keygen -q -t ed25519 -N '' -C host -f "$s/host_key"
  ssh-keygen -q -t ed25519 -N '' -C test -f "$s/id_ed25519"
  cp "$s/id_ed25519.pub" "$s/authorized_keys"
  read -r port < <(free_ports 1)
  cat >"$s/sshd_config" <<EOF
ListenAddress 127.0.0.1:$port
HostKey $s/host_key
PidFile none
AuthorizedKeysFile $s/authorized_keys
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin yes
AllowTcpForwarding no
X11Forwarding no
MaxStartups 50
Subsystem sftp internal-sftp
ForceCommand internal-sftp
EOF
  echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 "$s/host_key.pub")" >"$s/known_hosts"
  nohup setsid "$sshd" -D -e -f "$s/sshd_config" >"$s/log" 2>&1 </dev/null &
  echo $! >"$s/pid"
  echo "$port" >"$s/port"
  wait_for "$port" 20 "$!" || {
    say "the SSH server did not come up, see $s/log"
    stop_one SFTP "$s/pid" "$sshd_pattern"
    return 1
  }
  say "$(ssh -V 2>&1 | sed 's/[ ,].*//' | tr _ ' ') answers SFTP on 127.0.0.1:$port"
}

write_env() {
  {
    if alive "$dir/kafka/pid" "$kafka_pattern"; then echo "export ONCEGATE_TEST_KAFKA=127.0.0.1:$(<"$dir/kafka/port")"; fi
    if alive "$dir/redis/pid" "$redis_pattern"; then echo "export ONCEGATE_TEST_REDIS=127.0.0.1:$(<"$dir/redis/port")"; fi
    # Passwords and keys lie in the directories, which the tests read.
    if alive "$dir/postgres/pid" "$postgres_pattern"; then
      echo "export ONCEGATE_TEST_POSTGRES=postgres://127.0.0.1:$(<"$dir/postgres/port")/postgres ONCEGATE_TEST_POSTGRES_DIR=$dir/postgres"
    fi
    if alive "$dir/sshd/pid" "$sshd_pattern"; then
      echo "export ONCEGATE_TEST_SFTP=sftp://127.0.0.1:$(<"$dir/sshd/port")$dir/sshd/files ONCEGATE_TEST_SFTP_DIR=$dir/sshd"
    fi
  } >"$dir/env.new"
  mv "$dir/env.new" "$dir/env"
}

locked() { # two callers at once must not start two of each
  mkdir -p "$dir"
  exec 9>"$dir/lock"
  flock 9
}

case ${1-} in
start)
  locked
  failed=0
  shift
  if (($# == 0)); then set -- kafka redis postgres sshd; fi
  for name; do
    case $name in
    kafka | redis | postgres | sshd) "start_$name" 9>&- || failed=1 ;;
    *) say "no service $name"; exit 2 ;;
    esac
  done
  write_env
  if ((failed)); then exit 1; fi
  if ((missing)); then exit 3; fi
  ;;
stop | clean)
  locked
  stop_one Kafka "$dir/kafka/pid" "$kafka_pattern"
  stop_one Redis "$dir/redis/pid" "$redis_pattern"
  stop_one PostgreSQL "$dir/postgres/pid" "$postgres_pattern" INT
  stop_one SFTP "$dir/sshd/pid" "$sshd_pattern"
  rm -f "$dir/env"
  # Where its data lie outside, nobody else would take them away.
  if [[ -s $dir/postgres/place ]]; then rm -rf "$(<"$dir/postgres/place")"; fi
  if [[ $1 == clean ]]; then
    rm -rf "$dir/kafka/data" "$dir/redis" "$dir/postgres" "$dir/sshd" "$dir"/kafka/*.log "$dir/kafka/log" "$dir"/apt-*.log
  fi
  ;;
status)
  for s in kafka:"$kafka_pattern" redis:"$redis_pattern" postgres:"$postgres_pattern" sshd:"$sshd_pattern"; do
    name=${s%%:*}
    if alive "$dir/$name/pid" "${s#*:}"; then
      echo "$name runs, pid $(<"$dir/$name/pid"), 127.0.0.1:$(<"$dir/$name/port")"
    else
      echo "$name does not run"
    fi
  done
  ;;
env)
  mkdir -p "$dir"
  write_env
  cat "$dir/env"
  ;;
*)
  sed -n '2,17s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
  exit 2
  ;;
esac
