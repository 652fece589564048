# Made from the option tables by src/build/render.mjs. Do not edit.
complete -c ts-broker -f
complete -c ts-broker -s c -l config-file -r -F -d 'Read the configuration from FILE'
complete -c ts-broker -s p -l port -x -d 'Listen on PORT of this machine only; up to ten times'
complete -c ts-broker -l test-config -d 'Check the configuration file and exit'
complete -c ts-broker -s v -l verbose -d 'Log everything, whatever the configuration says'
complete -c ts-broker -s q -l quiet -d 'Log nothing, whatever the configuration says'
complete -c ts-broker -s d -l daemon -d 'Go on in the background'
complete -c ts-broker -s h -l help -d 'Print this text and exit'
complete -c ts-broker -l version -d 'Print the version and exit'
complete -c ts-broker -n '__fish_is_first_arg' -a db -d 'Look into a database'
complete -c ts-broker -n '__fish_seen_subcommand_from db' -a dump -d 'Print everything in the database FILE'
complete -c ts-broker -n '__fish_seen_subcommand_from db' -a check -d 'Check the database FILE, and say what is wrong with it'
complete -c ts-broker -n '__fish_seen_subcommand_from db' -l stats -d 'Print how much there is of everything'
complete -c ts-broker -n '__fish_seen_subcommand_from db' -l client-stats -d 'Print how much each client has'
complete -c ts-broker -n '__fish_seen_subcommand_from db' -l json -d 'Print JSON'
complete -c ts-broker -n '__fish_seen_subcommand_from db' -s h -l help -d 'Print this text and exit'
complete -c ts-broker -n '__fish_seen_subcommand_from db' -F
