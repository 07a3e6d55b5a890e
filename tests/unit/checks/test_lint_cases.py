"""Configurations beside the rules' own examples: broken in many ways, and sound ones that look suspicious."""

from __future__ import annotations

import pytest

from deployer.checks.lint import lint
from deployer.checks.nginxconf import parse
from deployer.checks.rules.base import Severity
from deployer.checks.rules.subject import Subject

PACKAGE = ("fastcgi_params", "snippets/fastcgi-php.conf")

BROKEN = [
    ("left-over-return", "server", "return 503; location / { proxy_pass http://app; }"),
    ("left-over-return", "server", "location / { return 503 'Be right back'; }"),
    ("left-over-return", "server", "location / { return 500; }"),
    ("left-over-return", "server", "location ~ ^/ { return 502; }"),
    ("left-over-return", "server", "location ^~ / { return 503; }"),
    ("left-over-return", "server", "location / { try_files /maintenance.html =503; }"),
    (
        "left-over-return",
        "server",
        "error_page 503 /m.html; location = /m.html { internal; } location / { return 503; }",
    ),
    (
        "maintenance-flag",
        "http",
        "map $host $maint { default 1; } server { listen 80; server_name a.example.com;"
        " if ($maint) { return 503; } location / { proxy_pass http://app; } }",
    ),
    (
        "maintenance-flag",
        "http",
        "map $remote_addr $maint { default 1; 10.0.0.1 0; } server { listen 80; server_name a.example.com;"
        " if ($maint = 1) { return 503; } location / { proxy_pass http://app; } }"
        "",
    ),
    (
        "maintenance-flag",
        "http",
        "geo $blocked { default 1; } server { listen 80; server_name a.example.com;"
        " if ($blocked) { return 403; } location / { proxy_pass http://app; } }",
    ),
    (
        "maintenance-flag",
        "server",
        "set $down on; location / { if ($down = on) { return 503; } proxy_pass http://app; }",
    ),
    ("deny-everybody", "server", "deny all; location / { proxy_pass http://app; }"),
    ("deny-everybody", "server", "location / { deny all; proxy_pass http://app; }"),
    (
        "deny-everybody",
        "http",
        "deny all; server { listen 80; server_name a.example.com; location / { proxy_pass http://app; } }",
    ),
    ("deny-everybody", "server", "deny 0.0.0.0/0; location / { proxy_pass http://app; }"),
    (
        "upstream-all-down",
        "http",
        "upstream x { server 10.0.0.1:80 down; } server { listen 80; server_name a;"
        " location / { proxy_pass http://x; } }",
    ),
    (
        "upstream-all-down",
        "http",
        "upstream x { server 10.0.0.1:80 down; server 10.0.0.2:80 backup down; }"
        " server { listen 80; server_name a; location / { proxy_pass http://x; }"
        " }",
    ),
    (
        "upstream-scheme",
        "http",
        "upstream x { server 10.0.0.1; } server { listen 80; server_name a; location / {"
        " proxy_pass https://x; } }",
    ),
    ("upstream-scheme", "server", "location / { proxy_pass http://10.0.0.1:443; }"),
    ("proxy-no-resolver", "server", "set $b backend.internal; location / { proxy_pass http://$b:8080; }"),
    ("proxy-variable-loses-path", "server", "set $b app; location /api/ { proxy_pass http://$b/; }"),
    ("proxy-no-resolver", "server", "set $b ap; location / { proxy_pass http://$b; }"),
    (
        "proxy-no-resolver",
        "http",
        "map $host $b { default ap; } server { listen 80; server_name a; location / {"
        " proxy_pass http://$b; } }",
    ),
    ("proxy-no-resolver", "server", "location / { proxy_pass http://localhost:8080$request_uri; }"),
    ("proxy-path-glued", "server", "location /api/ { proxy_pass http://app/v2; }"),
    ("proxy-path-glued", "server", "location / { proxy_pass http://app/base; }"),
    (
        "server-name-duplicate",
        "http",
        "server { listen 80; server_name a.example.com; } server { listen 80; server_name b.example.com a.example.com;"
        " }",
    ),
    (
        "server-name-duplicate",
        "http",
        "server { listen 0.0.0.0:80; server_name a.example.com; } server { listen *:80;"
        " server_name A.example.com; }",
    ),
    ("server-name-duplicate", "http", "server { listen 80; root /a; } server { listen 80; root /b; }"),
    ("server-name-malformed", "http", "server { listen 80; server_name a.example.com:80; }"),
    ("server-name-malformed", "http", "server { listen 80; server_name a.example.com, b.example.com; }"),
    ("server-name-malformed", "http", "server { listen 80; server_name “a.example.com”; }"),
    ("server-name-malformed", "http", "server { listen 80; server_name http://a.example.com; }"),
    ("server-name-malformed", "http", "server { listen 80; server_name ^www.example.com$; }"),
    ("server-name-malformed", "http", "server { listen 80; server_name a.example.com\xa0b.example.com; }"),
    ("server-name-malformed", "http", "server { listen 80; server_name $host; }"),
    ("server-name-malformed", "http", "server { listen 80; server_name a.example.com/; }"),
    ("missing-semicolon", "http", "server { listen 80; server_name a.example.com\n root /srv/x;\n}"),
    ("missing-semicolon", "server", "location / {\n index index.html\n try_files $uri =404;\n }"),
    (
        "limit-for-all-together",
        "http",
        "limit_req_zone 1 zone=z:1m rate=1r/m; server { listen 80; server_name a; limit_req zone=z; }",
    ),
    (
        "limit-for-all-together",
        "http",
        "limit_req_zone $server_name zone=z:1m rate=1r/s; server { listen 80; server_name a;"
        " location / { limit_req zone=z burst=1; } }",
    ),
    (
        "limit-for-all-together",
        "http",
        "limit_conn_zone $server_name zone=z:1m; server { listen 80; server_name a; limit_conn z 1; }",
    ),
    (
        "limit-for-all-together",
        "http",
        "limit_req_zone $host$scheme zone=z:1m rate=10r/m; server { listen 80; server_name a;"
        " limit_req zone=z; }",
    ),
    ("try-files-loop", "server", "location / { try_files $uri $uri/ $uri.html; }"),
    (
        "named-location-unknown",
        "server",
        "location / { try_files $uri @bakend; } location @backend { proxy_pass http://app; }",
    ),
    (
        "try-files-loop",
        "server",
        "location / { try_files $uri /index.php; } location ~ \\.php$ { try_files $uri $uri/; }",
    ),
    ("named-location-unknown", "server", "error_page 404 @nf; location / { proxy_pass http://app; }"),
    ("rewrite-loop", "server", "location / { rewrite ^/(.*)$ /x/$1 last; }"),
    ("rewrite-loop", "server", "location /a { rewrite ^/a(.*) /a/b$1 last; }"),
    ("rewrite-loop", "server", "location / { rewrite ^/(.*)$ /index.html?$1; }"),
    ("redirect-to-itself", "server", "return 301 https://$host$request_uri;"),
    (
        "redirect-to-itself",
        "http",
        "server { listen 80; server_name a.example.com www.a.example.com; return 301 http://a.example.com$request_uri;"
        " }",
    ),
    ("redirect-to-itself", "server", "rewrite ^(.*)$ https://$host$1 permanent;"),
    ("redirect-to-itself", "server", "location /old { return 302 /old/index; }"),
    ("redirect-to-itself", "server", "location / { return 301 https://www.shop.example.com$request_uri; }"),
    ("capture-without-group", "server", "location /x { return 301 /y/$1; }"),
    ("capture-without-group", "server", "rewrite ^/blog/.+ /posts/$1 last;"),
    ("alias-traversal", "server", "location /img { alias /srv/img/; }"),
    ("alias-glued", "server", "location /img/ { alias /srv/img; }"),
    ("return-beside-deny", "server", "location /adm { deny all; return 200 'x'; }"),
    (
        "tls-without-certificate",
        "http",
        "server { listen 443 ssl; server_name a; ssl_certificate a.pem; ssl_certificate_key a.key;"
        " } server { listen 443 ssl; server_name b; }",
    ),
    (
        "tls-port-without-ssl",
        "http",
        "server { listen 443; server_name a; ssl_certificate a.pem; ssl_certificate_key a.key; }",
    ),
    (
        "ssl-on-port-80",
        "http",
        "server { listen 80 ssl; server_name a; ssl_certificate a.pem; ssl_certificate_key a.key; }",
    ),
    ("location-without-tilde", "server", "location .php$ { return 200; }"),
    ("location-without-tilde", "server", "location ^/api { proxy_pass http://app; }"),
    ("location-without-tilde", "server", "location api/ { proxy_pass http://app; }"),
    ("location-internal", "server", "location / { internal; proxy_pass http://app; }"),
    ("return-before-content", "server", "location /api/ { return 404; proxy_pass http://app; }"),
    ("return-before-content", "server", "return 404; location / { proxy_pass http://app; }"),
    ("return-before-content", "server", "return 200 test; location / { proxy_pass http://app; }"),
    ("try-files-before-proxy", "server", "location / { try_files $uri =404; proxy_pass http://app; }"),
    ("no-server", "http", "server_tokens off;"),
    ("timeout-short", "server", "location / { proxy_read_timeout 1ms; proxy_pass http://app; }"),
    ("rate-tiny", "server", "limit_rate 10;"),
    ("auth-without-users", "server", "location /a { auth_basic x; proxy_pass http://app; }"),
    (
        "auth-file-missing",
        "server",
        "location /a { auth_basic x; auth_basic_user_file htpasswd; proxy_pass http://app; }",
    ),
    (
        "php-without-script",
        "server",
        "location ~ \\.php$ { fastcgi_param X y; fastcgi_pass unix:/run/php.sock; }",
    ),
    ("tls-too-old", "server", "ssl_protocols TLSv1;"),
    (
        "proxy-to-itself",
        "server",
        "location / { proxy_pass http://127.0.0.1:80; proxy_set_header Host $host; }",
    ),
    (
        "maintenance-flag",
        "server",
        "if ($request_uri ~ .*) { return 503; } location / { proxy_pass http://app; }",
    ),
    ("timeout-short", "server", "client_header_timeout 1ms;"),
    (
        "server-name-duplicate",
        "http",
        "server { listen 80; server_name *.example.com; } server { listen 80; server_name *.example.com; }",
    ),
]

SOUND = [
    (
        "wordpress",
        "server",
        "index index.php; location = /favicon.ico { log_not_found off; access_log off;"
        " } location = /robots.txt { allow all; log_not_found off; } location / {"
        " try_files $uri $uri/ /index.php?$args; } location ~ \\.php$ { include fastcgi_params;"
        " fastcgi_intercept_errors on; fastcgi_pass unix:/run/php/php8.2-fpm.sock;"
        " fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; } location ~* \\.(js|css|png|jpg|jpeg|gif|ico)$ {"
        " expires max; log_not_found off; } location ~ /\\. { deny all; }",
    ),
    (
        "php snippet",
        "server",
        "index index.php; location / { try_files $uri $uri/ =404; } location ~ \\.php$ {"
        " include snippets/fastcgi-php.conf; fastcgi_pass unix:/run/php/php8.2-fpm.sock;"
        " } location ~ /\\.ht { deny all; }",
    ),
    (
        "laravel",
        "server",
        "add_header X-Frame-Options SAMEORIGIN; charset utf-8; location / { try_files $uri $uri/ /index.php?$query_string;"
        " } error_page 404 /index.php; location ~ ^/index\\.php(/|$) { fastcgi_pass unix:/var/run/php.sock;"
        " fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name; include fastcgi_params;"
        " fastcgi_hide_header X-Powered-By; } location ~ /\\.(?!well-known).* { deny all;"
        " }",
    ),
    (
        "https redirect",
        "http",
        "server { listen 80; listen [::]:80; server_name a.example.com www.a.example.com;"
        " location /.well-known/acme-challenge/ { root /var/www/acme; } location / {"
        " return 301 https://$host$request_uri; } } server { listen 443 ssl http2;"
        " listen [::]:443 ssl http2; server_name a.example.com; ssl_certificate /etc/letsencrypt/live/a/fullchain.pem;"
        " ssl_certificate_key /etc/letsencrypt/live/a/privkey.pem; include /etc/letsencrypt/options-ssl-nginx.conf;"
        " location / { proxy_pass http://app; } } server { listen 443 ssl; server_name www.a.example.com;"
        " ssl_certificate /x.pem; ssl_certificate_key /x.key; return 301 https://a.example.com$request_uri;"
        " }",
    ),
    (
        "certbot",
        "http",
        "server { server_name a.example.com; location / { proxy_pass http://app;"
        " } listen 443 ssl; ssl_certificate /x.pem; ssl_certificate_key /x.key; }"
        " server { if ($host = a.example.com) { return 301 https://$host$request_uri;"
        " } listen 80; server_name a.example.com; return 404; }",
    ),
    (
        "spa",
        "server",
        "location / { try_files $uri $uri/ /index.html; } location /api/ { proxy_pass http://app;"
        " proxy_set_header Host $host; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;"
        " proxy_set_header Connection upgrade; } location = /health { access_log off;"
        " return 200 'ok'; }",
    ),
    (
        "api strip",
        "server",
        "location /api/ { proxy_pass http://app/; } location /v1 { proxy_pass http://app/v1;"
        " } location = /exact { proxy_pass http://app/other; } location /files/ {"
        " proxy_pass http://app/download.php?f=; }",
    ),
    (
        "docker",
        "server",
        "resolver 127.0.0.11 valid=10s; set $up http://backend:8080; location / {"
        " proxy_pass $up; } location /x/ { set $y web; proxy_pass http://$y:80$request_uri;"
        " } location ~ ^/u/(.*)$ { proxy_pass http://web/$1$is_args$args; }",
    ),
    (
        "catchall 503",
        "http",
        "server { listen 80 default_server; server_name _; return 503; } server {"
        " listen 80; server_name a.example.com; location / { proxy_pass http://app;"
        " } }",
    ),
    (
        "catchall 444 ssl",
        "http",
        "server { listen 443 ssl default_server; ssl_reject_handshake on; } server {"
        " listen 443 ssl; server_name a.example.com; ssl_certificate x; ssl_certificate_key y;"
        " location / { proxy_pass http://app; } }",
    ),
    (
        "maintenance if",
        "server",
        "error_page 503 @maintenance; location @maintenance { rewrite ^ /maintenance.html break;"
        " } if (-f $document_root/maintenance.on) { return 503; } location / { proxy_pass http://app;"
        " }",
    ),
    (
        "maintenance map off",
        "http",
        "map $remote_addr $maint { default 0; 10.1.1.1 0; } server { listen 80; server_name a;"
        " if ($maint) { return 503; } location / { proxy_pass http://app; } }",
    ),
    (
        "geo deny bad",
        "http",
        "geo $bad { default 0; 1.2.3.0/24 1; } map $http_user_agent $bot { default 0;"
        " ~*badbot 1; } server { listen 80; server_name a; if ($bad) { return 403;"
        " } if ($bot) { return 403; } location / { proxy_pass http://app; } }",
    ),
    (
        "apikey",
        "http",
        "map $http_x_key $denied { default 1; abc 0; } server { listen 80; server_name a;"
        " location / { if ($denied) { return 403; } proxy_pass http://app; } }",
    ),
    (
        "allow list",
        "server",
        "allow 10.0.0.0/8; allow 192.168.0.0/16; deny all; location / { proxy_pass http://app; }",
    ),
    (
        "status",
        "server",
        "location /nginx_status { stub_status; allow 127.0.0.1; deny all; } location / {"
        " proxy_pass http://app; }",
    ),
    ("root deny api", "server", "location / { deny all; } location /api/ { proxy_pass http://app; }"),
    ("root 404 api", "server", "location / { return 404; } location /api/ { proxy_pass http://app; }"),
    (
        "server-level set",
        "server",
        "set $up app; location / { proxy_pass http://$up; } location /b/ { proxy_pass http://$up$request_uri;"
        " }",
    ),
    (
        "map upstream",
        "http",
        "upstream blue { server 10.0.0.1:80; } upstream green { server 10.0.0.2:80;"
        " } map $cookie_color $pool { default blue; green green; } split_clients $remote_addr $v {"
        " 10% green; * blue; } server { listen 80; server_name a; location / { proxy_pass http://$pool;"
        " } location /ab/ { proxy_pass http://$v; } }",
    ),
    (
        "limit std",
        "http",
        "limit_req_zone $binary_remote_addr zone=l:10m rate=10r/s; limit_conn_zone $binary_remote_addr zone=c:10m;"
        " limit_req_zone $server_name zone=s:10m rate=500r/s; server { listen 80;"
        " server_name a; limit_req zone=l burst=20 nodelay; limit_req zone=s burst=100;"
        " limit_conn c 20; location /login { limit_req zone=l; proxy_pass http://app;"
        " } }",
    ),
    (
        "rewrite ok",
        "server",
        "rewrite ^/old/(.*)$ /new/$1 permanent; rewrite ^/(.*)/$ /$1 permanent; location / {"
        " rewrite ^/(.*)\\.html$ /$1 permanent; try_files $uri $uri.html $uri/ =404;"
        " } location /a/ { rewrite ^/a/(.*)$ /$1 break; proxy_pass http://app; }"
        " location /dl/ { rewrite ^(/dl/.*)/media/(.*)\\..*$ $1/mp3/$2.mp3 last; return 403;"
        " }",
    ),
    (
        "named",
        "server",
        "location / { try_files $uri @app; } location @app { proxy_pass http://app;"
        " } error_page 500 502 503 504 /50x.html; location = /50x.html { root /usr/share/nginx/html;"
        " internal; }",
    ),
    (
        "auth",
        "server",
        "location /admin/ { auth_basic x; auth_basic_user_file /etc/nginx/htpasswd;"
        " proxy_pass http://app; } location /admin/pub { auth_basic off; proxy_pass http://app;"
        " }",
    ),
    (
        "satisfy",
        "server",
        "location /int/ { satisfy any; allow 10.0.0.0/8; deny all; auth_basic x;"
        " auth_basic_user_file /srv/h; proxy_pass http://app; }",
    ),
    (
        "auth_request",
        "server",
        "location / { auth_request /_auth; error_page 401 = @login; proxy_pass http://app;"
        " } location = /_auth { internal; proxy_pass http://app/verify; proxy_pass_request_body off;"
        " } location @login { return 302 https://login.example.com/?r=$scheme://$host$request_uri;"
        " }",
    ),
    (
        "alias ok",
        "server",
        "location /static/ { alias /srv/static/; } location = /robots.txt { alias /srv/robots.txt;"
        " } location /img { alias /srv/img; } location ~ ^/d/(.+)$ { alias /srv/d/$1;"
        " }",
    ),
    (
        "www redirect",
        "http",
        "server { listen 80; server_name www.b.example.com; return 301 $scheme://b.example.com$request_uri;"
        " } server { listen 80; server_name b.example.com; location / { proxy_pass http://app;"
        " } }",
    ),
    (
        "regex names",
        "http",
        "server { listen 80; server_name ~^(?<sub>.+)\\.example\\.com$; root /srv/$sub;"
        " location / { try_files $uri =404; } } server { listen 80; server_name .example.org *.example.net www.example.*;"
        " return 301 https://example.org$request_uri; }",
    ),
    (
        "port redirect",
        "http",
        "server { listen 8080; server_name a; return 301 http://$host:80$request_uri;"
        " } server { listen 80; server_name a; location / { proxy_pass http://app;"
        " } }",
    ),
    (
        "lb https 443->8443",
        "http",
        "server { listen 8443 ssl; server_name a; ssl_certificate x; ssl_certificate_key y;"
        " return 301 https://$host$request_uri; } server { listen 443 ssl; server_name a;"
        " ssl_certificate x; ssl_certificate_key y; root /srv; }",
    ),
    (
        "xfp redirect",
        "server",
        "if ($http_x_forwarded_proto = http) { return 301 https://$host$request_uri;"
        " } location / { proxy_pass http://app; }",
    ),
    (
        "cache",
        "http",
        "proxy_cache_path /var/cache/nginx levels=1:2 keys_zone=c:10m; server { listen 80;"
        " server_name a; location / { proxy_cache c; proxy_cache_key $scheme$proxy_host$request_uri;"
        " proxy_pass http://app; } } server { listen 80; server_name b; location / {"
        " proxy_cache c; proxy_cache_key $scheme$proxy_host$request_uri; proxy_pass http://10.1.1.1:8080;"
        " } }",
    ),
    (
        "varnish loop other port",
        "http",
        "server { listen 80; server_name a; location / { proxy_set_header Host $host;"
        " proxy_pass http://127.0.0.1:6081; } } server { listen 127.0.0.1:8080; server_name a;"
        " root /srv; location / { try_files $uri =404; } }",
    ),
    (
        "self backend",
        "http",
        "server { listen 80; server_name a; location / { proxy_set_header Host backend.internal;"
        " proxy_pass http://127.0.0.1:80; } } server { listen 80; server_name backend.internal;"
        " root /srv; }",
    ),
    (
        "self other path",
        "http",
        "server { listen 80; server_name a; location /old/ { proxy_set_header Host $host;"
        " proxy_pass http://127.0.0.1/new/; } location /new/ { proxy_pass http://app;"
        " } }",
    ),
    (
        "dual servers",
        "http",
        "server { listen 80 default_server; listen [::]:80 default_server; server_name _;"
        " return 301 https://$host$request_uri; } server { listen 443 ssl default_server;"
        " server_name a.example.com; ssl_certificate x; ssl_certificate_key y; root /srv;"
        " location / { try_files $uri $uri/ =404; } }",
    ),
    (
        "if language",
        "server",
        "location / { if ($request_method ~* '(GET|POST)') { add_header Access-Control-Allow-Origin '*';"
        " } if ($request_method = OPTIONS) { return 204; } proxy_pass http://app;"
        " }",
    ),
    (
        "proxy_protocol lb",
        "http",
        "server { listen 80 proxy_protocol; listen 443 proxy_protocol; server_name a;"
        " set_real_ip_from 10.0.0.0/8; real_ip_header proxy_protocol; location / {"
        " proxy_pass http://app; } }",
    ),
    (
        "grafana ws",
        "http",
        "map $http_upgrade $connection_upgrade { default upgrade; '' close; } server {"
        " listen 80; server_name g; location /grafana/ { rewrite ^/grafana/(.*) /$1 break;"
        " proxy_set_header Host $host; proxy_pass http://127.0.0.1:3000; } location /grafana/api/live/ {"
        " rewrite ^/grafana/(.*) /$1 break; proxy_set_header Connection $connection_upgrade;"
        " proxy_pass http://127.0.0.1:3000; } }",
    ),
    (
        "gzip_static",
        "server",
        "location ~* ^/assets/ { gzip_static on; expires 1y; add_header Cache-Control public;"
        " } location / { proxy_pass http://app; }",
    ),
    (
        "location eq root",
        "server",
        "location = / { return 302 /welcome; } location /welcome { proxy_pass http://app; }",
    ),
    (
        "return then nested",
        "server",
        "location /gone { return 410; } location /old { return 301 /new; } location /a/b {"
        " return 301 /a/; } location /a/ { proxy_pass http://app; }",
    ),
    (
        "unix",
        "http",
        "upstream g { server unix:/run/gunicorn.sock fail_timeout=0; } server { listen 80;"
        " server_name a; location / { proxy_pass http://g; } location /s { proxy_pass http://unix:/run/x.sock:/uri/;"
        " } }",
    ),
    (
        "moved down one",
        "http",
        "upstream g { server 10.0.0.1:80 down; server 10.0.0.2:80; } server { listen 80;"
        " server_name a; location / { proxy_pass http://g; } }",
    ),
    (
        "spare upstream down",
        "http",
        "upstream g { server 10.0.0.1:80 down; } server { listen 80; server_name a;"
        " location / { proxy_pass http://app; } }",
    ),
    (
        "dev cert",
        "http",
        "server { listen 443 ssl; server_name a.example.com; ssl_certificate x.pem;"
        " ssl_certificate_key y; location / { proxy_pass http://app; } }",
    ),
    (
        "grpc",
        "server",
        "location / { grpc_pass grpc://app; } location /x { grpc_pass grpcs://10.0.0.1:443; }",
    ),
    (
        "error_page name in http",
        "server",
        "error_page 404 /404.html; location = /404.html { root /srv/errors; } location / {"
        " proxy_intercept_errors on; proxy_pass http://app; }",
    ),
    (
        "status only server",
        "http",
        "server { listen 127.0.0.1:8081; server_name status; access_log off; location / {"
        " return 200 'ok'; } } server { listen 80; server_name a; location / { proxy_pass http://app;"
        " } }",
    ),
    ("text return site", "http", "server { listen 80; server_name a; location / { return 200 'hello'; } }"),
    (
        "teapot api v1 gone",
        "http",
        "server { listen 80; server_name api; location /v1/ { return 410; } location /v2/ {"
        " proxy_pass http://app; } }",
    ),
    (
        "fwd",
        "server",
        "location ~ ^/(?<svc>[a-z]+)/(.*)$ { resolver 10.0.0.2; proxy_pass http://$svc.internal/$2$is_args$args;"
        " }",
    ),
    (
        "s3",
        "server",
        "location / { rewrite ^/$ /index.html; rewrite ^(.*)/$ $1/index.html; proxy_pass http://app; }",
    ),
    (
        "drupal",
        "server",
        "location / { try_files $uri /index.php?$query_string; } location @rewrite {"
        " rewrite ^ /index.php; } location ~ '\\.php$|^/update.php' { fastcgi_split_path_info ^(.+?\\.php)(|/.*)$;"
        " try_files $fastcgi_script_name =404; include fastcgi_params; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;"
        " fastcgi_pass unix:/run/php.sock; } location ~ ^/sites/.*/files/styles/ {"
        " try_files $uri @rewrite; }",
    ),
]


def subject_of(text: str, context: str) -> Subject:
    """A site in a server with TLS beside a default one; or what stands in ``http``."""
    if context == "server":
        text = (
            "server { listen 80; listen 443 ssl; ssl_certificate a.pem; ssl_certificate_key a.key;"
            f" server_name shop.example.com www.shop.example.com; root /srv/www;\n{text}\n}}\n"
            "server { listen 80 default_server; listen 443 ssl default_server; server_name _;"
            " ssl_reject_handshake on; return 444; }"
        )
    app = "upstream app { server 10.0.0.1:8080; server 10.0.0.2:8080 backup; }"
    main = f"events {{}}\nhttp {{\ninclude mime.types;\n{app}\n{text}\n}}\n"
    files = {"nginx.conf": main.encode(), "mime.types": b"types { text/html html; }", "htpasswd": b"a:b"}
    return Subject(parse(files), preserve=PACKAGE)


@pytest.mark.parametrize(("rule", "context", "text"), BROKEN)
def test_what_breaks_users_is_an_error(rule: str, context: str, text: str) -> None:
    found = lint(subject_of(text, context))
    assert rule in {f.rule for f in found if f.severity is Severity.ERROR}


@pytest.mark.parametrize(("context", "text"), [case[1:] for case in SOUND], ids=[case[0] for case in SOUND])
def test_what_works_is_no_error(context: str, text: str) -> None:
    assert [f for f in lint(subject_of(text, context)) if f.severity is Severity.ERROR] == []
