# Made from the option tables by src/build/render.mjs. Do not edit.
complete -c ts-broker -f
complete -c ts-broker -n 'not contains -- db (commandline -opc)[2]' -o c -l config-file -r -F -d 'Read the configuration from FILE'
complete -c ts-broker -n 'not contains -- db (commandline -opc)[2]' -o p -l port -x -d 'Listen on PORT of this machine only; up to ten times'
complete -c ts-broker -n 'not contains -- db (commandline -opc)[2]' -l test-config -d 'Check the configuration file and exit'
complete -c ts-broker -n 'not contains -- db (commandline -opc)[2]' -o v -l verbose -d 'Log everything, whatever the configuration says'
complete -c ts-broker -n 'not contains -- db (commandline -opc)[2]' -o q -l quiet -d 'Log nothing, whatever the configuration says'
complete -c ts-broker -n 'not contains -- db (commandline -opc)[2]' -o d -l daemon -d 'Go on in the background'
complete -c ts-broker -n 'not contains -- db (commandline -opc)[2]' -o h -l help -d 'Print this text and exit'
complete -c ts-broker -n 'not contains -- db (commandline -opc)[2]' -l version -d 'Print the version and exit'
complete -c ts-broker -n '__fish_is_first_arg' -a db -d 'Look into a database'
complete -c ts-broker -n 'contains -- db (commandline -opc)[2]; and test (count (commandline -opc)) -eq 2' -a dump -d 'Print everything in the database FILE'
complete -c ts-broker -n 'contains -- db (commandline -opc)[2]; and test (count (commandline -opc)) -eq 2' -a check -d 'Check the database FILE, and say what is wrong with it'
complete -c ts-broker -n 'contains -- db (commandline -opc)[2]' -l stats -d 'Print how much there is of everything'
complete -c ts-broker -n 'contains -- db (commandline -opc)[2]' -l client-stats -d 'Print how much each client has'
complete -c ts-broker -n 'contains -- db (commandline -opc)[2]' -l json -d 'Print JSON'
complete -c ts-broker -n 'contains -- db (commandline -opc)[2]' -o h -l help -d 'Print this text and exit'
complete -c ts-broker -n 'contains -- db (commandline -opc)[2]; and test (count (commandline -opc)) -gt 2' -F
