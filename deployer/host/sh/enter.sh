# --------------------------------------------------------------------------------------------------- what most calls want ends here

# A shell reads command by command: what follows is read only where this returns. A part above names nothing that stands below, but
# for what a verb below has begun.
main "$@"

