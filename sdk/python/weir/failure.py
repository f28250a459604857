"""What the host is told of an exception."""


def describe(error):
    """`app.py:3: NameError: name 'x' is not defined`: where it was raised, as far as that is
    the plugin's own. There are no files to read the line from."""
    here = __file__.rpartition("/")[0]
    place, trace = "", error.__traceback__
    while trace:
        folder, _, file = trace.tb_frame.f_code.co_filename.rpartition("/")
        if folder != here:
            place = f"{file}:{trace.tb_lineno}: "
        trace = trace.tb_next
    return f"{place}{type(error).__name__}: {error}"
