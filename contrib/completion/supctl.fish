# Completion of supctl for fish. What there is to complete, supctl says itself.

function __supctl_complete
    set -l words (commandline -opc)
    set -l word (commandline -ct)
    set -l program $words[1]
    type -q -- $program; or set program supctl
    set -l lines ($program __complete $words[2..-1] "$word" 2>/dev/null)
    if test "$lines[1]" = :files
        # Behind --option= it is the rest of the word that names a file.
        set -l lead (string match -r -- '^--[^=]*=' "$word")
        for file in (__fish_complete_path (string replace -r -- '^--[^=]*=' '' "$word"))
            echo -- "$lead$file"
        end
        return
    end
    printf '%s\n' $lines
end

complete -c supctl -f -k -a '(__supctl_complete)'
