"""The grid kernel: networks, DC sensitivities, optimal power flow and unit commitment; pure, exact, without I/O but case files."""
