import servers, os, subprocess
def test_holder(everleaf, pebble, tmp_path, name):
    with servers.port_holder(pebble.http_port, tmp_path) as h:
        p = everleaf.start("-vv","obtain","-d",name,*everleaf.ca(),*everleaf.standalone())
        try: print("rc", p.wait(200))
        except subprocess.TimeoutExpired: print("timeout")
        print(p.text())
def test_web(everleaf, pebble, tmp_path, name):
    with servers.web_server(tmp_path, pebble.http_port) as h:
        p = everleaf.start("-vv","obtain","-d",name,*everleaf.ca(),*everleaf.standalone())
        try: print("rc", p.wait(150))
        except subprocess.TimeoutExpired: print("timeout")
        print(p.text(), os.getpid())
def test_two(everleaf, pebble, names):
    import time
    t=time.time()
    ps=[everleaf.start("-vv","obtain","-d",n,*everleaf.ca(),*everleaf.standalone()) for n in names(2)]
    for p in ps: p.wait(120); print(time.time()-t)
    for p in ps: print(p.text())
