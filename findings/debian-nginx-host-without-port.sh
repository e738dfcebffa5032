#!/bin/sh
# Debian's nginx and PHP-FPM: HTTP_HOST has no port any more.
#
# A good engineer would guess: in PHP, $_SERVER['HTTP_HOST'] is the Host header as the client sent it, with its port. That is
# so in every other server, and it was so in Debian's nginx for years.
#
# What really happens: since a security update of Debian's stable nginx (1.22.1-9+deb12u6, April 2026) fastcgi_params and
# fastcgi.conf send `HTTP_HOST $host`. That is the name alone. So an application that makes addresses from HTTP_HOST, as Live
# Helper Chat does for its widget, leaves out the port, wherever it is not 80 or 443. `fastcgi_param HTTP_HOST $http_host;`
# behind the include brings the header back; the package's comment says what it is kept from.
#
# Versions: nginx 1.22.1-9+deb12u6 or later, php-fpm 8.2 (Debian 12). Both have to be installed; nothing has to run.
# Measured since: 29 November 2026.
# Exit code: 0 as described, 1 changed, 2 could not be tried.
set -eu
work=$(mktemp -d)
running=
stop() {
  for pid in $running; do
    kill "$pid" 2>/dev/null || :
    wait "$pid" 2>/dev/null || :
  done
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 2' HUP INT TERM
cannot() {
  echo "Cannot be tried: $1" >&2
  exit 2
}
packages='apt-get install --no-install-recommends nginx-light php8.2-fpm'
version=$(dpkg-query -W -f '${Version}' nginx-common 2>/dev/null) || cannot "this needs Debian's nginx and PHP-FPM ($packages)."
dpkg --compare-versions "$version" ge 1.22.1-9+deb12u6 && dpkg --compare-versions "$version" lt 1.23 ||
  cannot "this needs nginx 1.22.1-9+deb12u6 or a later update of Debian 12; $version is installed."
command -v php-fpm8.2 >/dev/null || cannot "this needs PHP-FPM 8.2 ($packages)."
port=$(node -e "const n = require('net').createServer(); n.listen(0, '127.0.0.1', () => { console.log(n.address().port); n.close(); })")

mkdir "$work/www"
chmod 755 "$work" "$work/www"
echo '<?php echo $_SERVER["HTTP_HOST"];' >"$work/www/index.php"
cat >"$work/fpm.conf" <<FPM
[global]
error_log = $work/fpm.log
daemonize = no
[www]
user = www-data
listen = $work/fpm.sock
listen.mode = 0666
pm = static
pm.max_children = 1
FPM
cat >"$work/nginx.conf" <<NGINX
daemon off;
pid $work/nginx.pid;
error_log $work/error.log;
events {}
http {
  access_log off;
  client_body_temp_path $work/body;
  fastcgi_temp_path $work/fastcgi;
  proxy_temp_path $work/proxy;
  scgi_temp_path $work/scgi;
  uwsgi_temp_path $work/uwsgi;
  server {
    listen 127.0.0.1:$port;
    location /as-packaged {
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $work/www/index.php;
      fastcgi_pass unix:$work/fpm.sock;
    }
    location /header {
      include /etc/nginx/fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $work/www/index.php;
      fastcgi_param HTTP_HOST \$http_host;
      fastcgi_pass unix:$work/fpm.sock;
    }
  }
}
NGINX
php-fpm8.2 --nodaemonize --fpm-config "$work/fpm.conf" $([ "$(id -u)" = 0 ] && echo --allow-to-run-as-root) >/dev/null 2>&1 &
running="$running $!"
nginx -c "$work/nginx.conf" >/dev/null 2>&1 &
running="$running $!"

# $1: the path. Prints what PHP sees; the Host header is 127.0.0.1 with the port.
host_at() {
  node -e "
    const deadline = Date.now() + 30_000;
    (async function ask() {
      const answer = await fetch('http://127.0.0.1:$port$1').catch(() => null);
      if (answer?.ok) return console.log(await answer.text());
      if (Date.now() > deadline) process.exit(1);
      setTimeout(ask, 100);
    })();" || cannot 'nginx or PHP-FPM did not answer.'
}
packaged=$(host_at /as-packaged)
header=$(host_at /header)

echo "nginx $version, PHP-FPM $(dpkg-query -W -f '${Version}' php8.2-fpm)"
echo "the client's Host header      127.0.0.1:PORT"
echo "HTTP_HOST as packaged         $packaged"
echo "HTTP_HOST with \$http_host     $(echo "$header" | sed "s/:$port\$/:PORT/")"
[ "$packaged" = 127.0.0.1 ] && [ "$header" = "127.0.0.1:$port" ] || {
  echo 'CHANGED: HTTP_HOST is another one.' >&2
  exit 1
}
echo 'As described: the port is gone.'
