console.log("kiln shop")
