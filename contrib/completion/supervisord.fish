# Completion of supervisord for fish.

complete -c supervisord -f
complete -c supervisord -s c -l config -r -F -d 'configuration'
complete -c supervisord -l check -d 'only check the configuration'
complete -c supervisord -s h -l help -d 'show help'
complete -c supervisord -l version -d 'show the version'
